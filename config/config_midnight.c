/* See config_midnight.h. */
#include "config/config_midnight.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool zone_is_utc(const char *zone)
{
    return strcmp(zone, "UTC") == 0 || strcmp(zone, "Etc/UTC") == 0 || strcmp(zone, "GMT") == 0;
}

/* glibc takes any TZ that it does not know for UTC and says nothing: look for the zone's file first. */
static int zone_check(const char *zone, char *ret_error)
{
    const char *directory = getenv("TZDIR");
    char path[512];
    char magic[4] = "";

    if (!directory || !*directory)
        directory = "/usr/share/zoneinfo";
    if (access(directory, X_OK) != 0) {
        snprintf(ret_error, CONFIG_MIDNIGHT_ERROR_MAX,
                 "'%.64s' cannot be looked up, %.80s is not there; install the package "
                 "tzdata, or use UTC",
                 zone, directory);
        return -ENOENT;
    }
    const size_t len = strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/");
    if (len > 0 && zone[len] == '\0' && zone[0] != '/') {
        snprintf(path, sizeof(path), "%.400s/%.80s", directory, zone);
        FILE *file = fopen(path, "re");
        if (file) {
            const bool good = fread(magic, 1, 4, file) == 4 && memcmp(magic, "TZif", 4) == 0;
            fclose(file);
            if (good)
                return 0;
        }
    }
    snprintf(ret_error, CONFIG_MIDNIGHT_ERROR_MAX,
             "'%.64s' is no time zone of %.80s; use an IANA name such as America/New_York "
             "(is the package tzdata installed?), or UTC",
             zone, directory);
    return -ENOENT;
}

static bool date_parse(const char *date, struct tm *ret_day)
{
    unsigned year, month, day;
    int end = 0;

    if (strlen(date) != 10 || strspn(date, "0123456789-") != 10 || date[4] != '-' || date[7] != '-' ||
        sscanf(date, "%4u-%2u-%2u%n", &year, &month, &day, &end) != 3 || end != 10 || year < 1970 || month < 1 ||
        day < 1)
        return false;
    *ret_day = (struct tm){.tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day, .tm_isdst = -1};
    struct tm same = *ret_day;
    /* timegm turns 02-30 into 03-01: a day that does not come back is no day */
    return timegm(&same) != (time_t)-1 && same.tm_mday == (int)day && same.tm_mon == (int)month - 1;
}

/* In the zone that TZ names now. */
static int midnight(const char *date, const char *zone, bool utc, time_t now, char ret_date[11],
                    uint64_t *ret_midnight_ns, char *ret_error)
{
    struct tm day;

    if (strcmp(date, "today") == 0) {
        if (!(utc ? gmtime_r(&now, &day) : localtime_r(&now, &day)))
            return -EINVAL;
        day = (struct tm){.tm_year = day.tm_year, .tm_mon = day.tm_mon, .tm_mday = day.tm_mday, .tm_isdst = -1};
    } else if (!date_parse(date, &day)) {
        snprintf(ret_error, CONFIG_MIDNIGHT_ERROR_MAX, "'%.40s' is no day of the calendar; write YYYY-MM-DD or today",
                 date);
        return -EINVAL;
    }
    struct tm start = day;
    const time_t at = utc ? timegm(&start) : mktime(&start);
    if (at < 0 || start.tm_mday != day.tm_mday || start.tm_hour != 0 || start.tm_min != 0 || start.tm_sec != 0) {
        snprintf(ret_error, CONFIG_MIDNIGHT_ERROR_MAX,
                 "%.64s has no midnight on %.40s, clocks change there or it is before 1970; "
                 "use the exchange's own zone",
                 zone, date);
        return -ERANGE;
    }
    strftime(ret_date, 11, "%Y-%m-%d", &day);
    *ret_midnight_ns = (uint64_t)at * 1000000000u;
    return 0;
}

int config_midnight(const char *date, const char *zone, time_t now, char ret_date[11], uint64_t *ret_midnight_ns,
                    char ret_error[CONFIG_MIDNIGHT_ERROR_MAX])
{
    char text[128];

    if (zone_is_utc(zone))
        return midnight(date, zone, true, now, ret_date, ret_midnight_ns, ret_error);
    int error = zone_check(zone, ret_error);
    if (error)
        return error;
    const char *before = getenv("TZ");
    char *kept = before ? strdup(before) : NULL;
    if (before && !kept) {
        snprintf(ret_error, CONFIG_MIDNIGHT_ERROR_MAX, "no memory to look up the time zone; free some");
        return -ENOMEM;
    }
    snprintf(text, sizeof(text), ":%.80s", zone);
    setenv("TZ", text, 1);
    tzset();
    error = midnight(date, zone, false, now, ret_date, ret_midnight_ns, ret_error);
    if (kept)
        setenv("TZ", kept, 1);
    else
        unsetenv("TZ");
    tzset();
    free(kept);
    return error;
}
