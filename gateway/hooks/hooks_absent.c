/* In the place of hooks.c where the build had no clang or libbpf. */
#include "gateway/cmd/cmd.h"
#include "gateway/hooks/hooks.h"

#include <stdio.h>

int cmd_hooks(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fputs("tickgate hooks: this build has no program for the kernel's hooks; install clang and libbpf-dev, set the "
          "build up "
          "anew and build it again\n",
          stderr);
    return CMD_FAILED;
}
