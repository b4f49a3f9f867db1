/* From a session date and a time zone to the instant of the exchange's midnight: ITCH counts its time from there.
 * Reads the system's time zone database. Main thread, since the process's TZ is changed for a moment. */
#ifndef CONFIG_CONFIG_MIDNIGHT_H
#define CONFIG_CONFIG_MIDNIGHT_H

#include <stdint.h>
#include <time.h>

#define CONFIG_MIDNIGHT_ERROR_MAX 256u

/* 0; -EINVAL: `date` is no day; -ENOENT: `zone` is no known zone; -ERANGE: the zone has no such midnight; -ENOMEM. Each
 * with one sentence. `date`: "YYYY-MM-DD", or "today", which is the day in `zone` at `now`. `zone`: an IANA name; UTC,
 * Etc/UTC and GMT need no database. */
int config_midnight(const char *date, const char *zone, time_t now, char ret_date[11], uint64_t *ret_midnight_ns,
                    char ret_error[CONFIG_MIDNIGHT_ERROR_MAX]);

#endif
