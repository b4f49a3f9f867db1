/* See sysfile.h. */
#include "gateway/sysfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 3, 0))) static bool path_of(const char *root, char ret_path[SYSFILE_PATH_MAX],
                                                          const char *format, va_list list)
{
    const int root_len = snprintf(ret_path, SYSFILE_PATH_MAX, "%s", root);

    if (root_len < 0 || (size_t)root_len >= SYSFILE_PATH_MAX)
        return false;
    const int len = vsnprintf(ret_path + root_len, SYSFILE_PATH_MAX - (size_t)root_len, format, list);
    return len >= 0 && (size_t)(root_len + len) < SYSFILE_PATH_MAX;
}

static long text_read(const char *path, char *ret_text, size_t text_max)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t len = 0;
    ssize_t got = 0;

    ret_text[0] = '\0';
    if (file < 0)
        return -errno;
    while (len < text_max - 1 && (got = read(file, ret_text + len, text_max - 1 - len)) > 0)
        len += (size_t)got;
    const int error = got < 0 ? errno : 0;
    close(file);
    ret_text[error ? 0 : len] = '\0';
    return error ? -error : (long)len;
}

long sysfile_read(const char *root, char *ret_text, size_t text_max, const char *format, ...)
{
    char path[SYSFILE_PATH_MAX];
    va_list list;

    va_start(list, format);
    const bool fits = path_of(root, path, format, list);
    va_end(list);
    ret_text[0] = '\0';
    return fits ? text_read(path, ret_text, text_max) : -ENAMETOOLONG;
}

bool sysfile_line(const char *root, char *ret_text, size_t text_max, const char *format, ...)
{
    char path[SYSFILE_PATH_MAX];
    va_list list;

    va_start(list, format);
    const bool fits = path_of(root, path, format, list);
    va_end(list);
    ret_text[0] = '\0';
    if (!fits || text_read(path, ret_text, text_max) < 0)
        return false;
    ret_text[strcspn(ret_text, "\n")] = '\0';
    const size_t blanks = strspn(ret_text, " \t");
    memmove(ret_text, ret_text + blanks, strlen(ret_text + blanks) + 1);
    for (size_t len = strlen(ret_text); len > 0 && isspace((unsigned char)ret_text[len - 1]); len--)
        ret_text[len - 1] = '\0';
    for (char *c = ret_text; *c; c++) /* it is shown to people */
        if (!isprint((unsigned char)*c))
            *c = '?';
    return true;
}

bool sysfile_u64(const char *root, uint64_t *ret_value, const char *format, ...)
{
    char path[SYSFILE_PATH_MAX], text[64];
    va_list list;

    va_start(list, format);
    const bool fits = path_of(root, path, format, list);
    va_end(list);
    if (!fits || text_read(path, text, sizeof(text)) <= 0 || !isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    const uint64_t value = strtoull(text, NULL, 10);
    if (errno)
        return false;
    *ret_value = value;
    return true;
}

bool sysfile_exists(const char *root, const char *format, ...)
{
    char path[SYSFILE_PATH_MAX];
    va_list list;

    va_start(list, format);
    const bool fits = path_of(root, path, format, list);
    va_end(list);
    return fits && access(path, F_OK) == 0;
}

void sysfile_cpus_add(struct sysfile_cpus *cpus, uint32_t cpu)
{
    if (cpu < SYSFILE_CPUS_MAX)
        cpus->word[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

bool sysfile_cpus_has(const struct sysfile_cpus *cpus, uint32_t cpu)
{
    return cpu < SYSFILE_CPUS_MAX && (cpus->word[cpu / 64] >> cpu % 64 & 1) != 0;
}

uint32_t sysfile_cpus_count(const struct sysfile_cpus *cpus)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SYSFILE_CPUS_MAX / 64; i++)
        count += (uint32_t)__builtin_popcountll(cpus->word[i]);
    return count;
}

bool sysfile_cpus_parse(const char *text, struct sysfile_cpus *ret_cpus)
{
    *ret_cpus = (struct sysfile_cpus){0};
    while (isdigit((unsigned char)*text)) {
        char *end;
        const unsigned long first = strtoul(text, &end, 10);
        const unsigned long last =
            *end == '-' && isdigit((unsigned char)end[1]) ? strtoul(end + 1, &end, 10) : first;
        for (unsigned long cpu = first; cpu <= last && cpu < SYSFILE_CPUS_MAX; cpu++)
            sysfile_cpus_add(ret_cpus, (uint32_t)cpu);
        text = *end == ',' ? end + 1 : end;
        if (*end != ',')
            break;
    }
    return sysfile_cpus_count(ret_cpus) > 0;
}

const char *sysfile_cpus_text(const struct sysfile_cpus *cpus, char *ret_text, size_t text_max)
{
    size_t len = 0;

    snprintf(ret_text, text_max, "none");
    for (uint32_t cpu = 0; cpu < SYSFILE_CPUS_MAX && len < text_max; cpu++) {
        if (!sysfile_cpus_has(cpus, cpu))
            continue;
        uint32_t last = cpu;
        while (sysfile_cpus_has(cpus, last + 1))
            last++;
        len += (size_t)snprintf(ret_text + len, text_max - len, last > cpu ? "%s%u-%u" : "%s%u", len ? "," : "", cpu,
                                last);
        cpu = last;
    }
    return ret_text;
}
