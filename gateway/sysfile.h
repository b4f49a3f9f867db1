/* Files in which the kernel tells of itself, /proc and /sys, below a root: "" for this host, a directory that looks
 * like one for tests. What is not there is unknown, what is there may be anything: bounded, never trusted. Cold code,
 * any thread. */
#ifndef GATEWAY_SYSFILE_H
#define GATEWAY_SYSFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYSFILE_PATH_MAX 512u
#define SYSFILE_CPUS_MAX 4096u

/* A set of CPUs. */
struct sysfile_cpus { uint64_t word[SYSFILE_CPUS_MAX / 64]; };

/* What the file named by `format`, a path that begins with '/', says: up to text_max - 1 bytes, then a 0. How many
 * bytes, or -errno with an empty text. */
__attribute__((format(printf, 4, 5))) long sysfile_read(const char *root, char *ret_text, size_t text_max,
                                                        const char *format, ...);
/* Its first line without blanks at the ends. False: it is not there or cannot be read. */
__attribute__((format(printf, 4, 5))) bool sysfile_line(const char *root, char *ret_text, size_t text_max,
                                                        const char *format, ...);
/* The decimal number that it begins with. False: it is not there, or no number. */
__attribute__((format(printf, 3, 4))) bool sysfile_u64(const char *root, uint64_t *ret_value, const char *format, ...);
/* Is there such a file or directory? */
__attribute__((format(printf, 2, 3))) bool sysfile_exists(const char *root, const char *format, ...);

/* "0-3,8" as a set; what follows the list is left alone. False: it names no CPU. */
bool sysfile_cpus_parse(const char *text, struct sysfile_cpus *ret_cpus);
bool sysfile_cpus_has(const struct sysfile_cpus *cpus, uint32_t cpu);
void sysfile_cpus_add(struct sysfile_cpus *cpus, uint32_t cpu);
uint32_t sysfile_cpus_count(const struct sysfile_cpus *cpus);
/* The set as a list; "none" for an empty one. Returns ret_text. */
const char *sysfile_cpus_text(const struct sysfile_cpus *cpus, char *ret_text, size_t text_max);

#endif
