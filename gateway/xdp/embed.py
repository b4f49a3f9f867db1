"""A file as an array of bytes in a C header: embed.py FILE HEADER NAME. So that the program needs no file beside it."""
import sys

with open(sys.argv[1], "rb") as file:
    data = file.read()
with open(sys.argv[2], "w", encoding="ascii") as file:
    file.write(f"static const unsigned char {sys.argv[3]}[] __attribute__((aligned(8))) = {{\n")
    for start in range(0, len(data), 24):
        file.write("    " + ",".join(str(byte) for byte in data[start:start + 24]) + ",\n")
    file.write("};\n")
