/* Contract in log.h. */
#include "gateway/log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static FILE *usual; /* stderr as it was before log_open; NULL: it is that */
static uint64_t dropped_count;

/* A pipe, socket or terminal that is ready has room for a line: of a pipe it is a page at least. */
static bool ready(void)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT) != 0;
}

/* What fails cannot be said anywhere: to stdio it has gone well. */
static ssize_t line_write(void *cookie, const char *text, size_t len)
{
    char note[96];

    (void)cookie;
    if (dropped_count > 0 && ready()) {
        const int note_len = snprintf(
            note, sizeof(note), "tickgate: %" PRIu64 " lines were dropped here: nobody read them\n", dropped_count);
        dropped_count = 0;
        (void)!write(STDERR_FILENO, note, (size_t)note_len);
    }
    if (dropped_count == 0 && ready())
        (void)!write(STDERR_FILENO, text, len);
    else
        dropped_count++;
    return (ssize_t)len;
}

void log_open(void)
{
    static char line[4096];
    FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = line_write});

    if (!stream)
        return; /* lines wait, as they do in any program */
    setvbuf(stream, line, _IOLBF, sizeof(line));
    usual = stderr;
    stderr = stream;
}

void log_close(void)
{
    FILE *stream = stderr;

    if (!usual)
        return;
    stderr = usual;
    usual = NULL;
    fclose(stream);
}
