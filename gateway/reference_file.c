/* See reference_file.h. */
#include "gateway/reference_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int __attribute__((format(printf, 3, 4)))
fail(char ret_error[REFERENCE_FILE_ERROR_MAX], int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ret_error, REFERENCE_FILE_ERROR_MAX, format, args);
    va_end(args);
    return error;
}

static int read_all(const char *path, const char *key, char **ret_bytes, size_t *ret_len,
                    char ret_error[REFERENCE_FILE_ERROR_MAX])
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(REFERENCE_FILE_BYTES_MAX + 1);

    if (!file || !bytes) {
        const int error = file ? ENOMEM : errno;
        if (file)
            fclose(file);
        free(bytes);
        return fail(ret_error, -error, "%s: cannot be read (%s); write the path of the day's file in %s", path,
                    strerror(error), key);
    }
    const size_t len = fread(bytes, 1, REFERENCE_FILE_BYTES_MAX + 1, file);
    const int error = ferror(file) ? errno : 0; /* EISDIR, say: a directory can be opened */
    fclose(file);
    if (error || len > REFERENCE_FILE_BYTES_MAX) {
        free(bytes);
        if (error)
            return fail(ret_error, -error, "%s: cannot be read (%s); write the path of the day's file in %s", path,
                        strerror(error), key);
        return fail(ret_error, -EFBIG, "%s: is larger than 16 MiB; write the path of the day's file in %s", path, key);
    }
    *ret_bytes = bytes;
    *ret_len = len;
    return 0;
}

/* Of the day that every feed is of? */
static int check_date(const struct config *config, const char *path, const char *date,
                      char ret_error[REFERENCE_FILE_ERROR_MAX])
{
    for (uint32_t i = 0; i < config->feed_count; i++)
        if (strcmp(config->feed[i].session_date, date) != 0)
            return fail(ret_error, -EINVAL, "%s:1: the file is of %s, but feed '%s' is of %s; bring the day's file",
                        path, date, config->feed[i].name, config->feed[i].session_date);
    return 0;
}

static int load(const struct config *config, const char *path, const char *key, bool positions, void *rows,
                uint32_t *ret_count, char ret_error[REFERENCE_FILE_ERROR_MAX])
{
    char date[REFERENCE_DATE_LEN + 1];
    struct reference_error error;
    char *bytes = NULL;
    size_t len = 0;

    const int failed = read_all(path, key, &bytes, &len, ret_error);
    if (failed)
        return failed;
    const bool good =
        positions ? reference_parse_positions(bytes, len, rows, REFERENCE_POSITIONS_MAX, ret_count, date, &error)
                  : reference_parse(bytes, len, rows, REFERENCE_ROWS_MAX, ret_count, date, &error);
    free(bytes);
    if (!good)
        return fail(ret_error, -EINVAL, "%s:%u: %s", path, error.line, error.text);
    return check_date(config, path, date, ret_error);
}

int reference_file_load(struct reference_file *file, const struct config *config,
                        char ret_error[REFERENCE_FILE_ERROR_MAX])
{
    const struct config_risk *risk = &config->risk;
    int error = 0;

    *file = (struct reference_file){.has_reference = risk->reference_file != NULL};
    if (risk->reference_file) {
        file->rows = calloc(REFERENCE_ROWS_MAX, sizeof(*file->rows));
        error = !file->rows ? fail(ret_error, -ENOMEM, "%s: no memory for its rows; free some", risk->reference_file)
                            : load(config, risk->reference_file, "risk.reference_file", false, file->rows,
                                   &file->reference.row_count, ret_error);
        file->reference.rows = file->rows;
    }
    if (error == 0 && risk->positions_file) {
        file->positions = calloc(REFERENCE_POSITIONS_MAX, sizeof(*file->positions));
        error = !file->positions
                    ? fail(ret_error, -ENOMEM, "%s: no memory for its rows; free some", risk->positions_file)
                    : load(config, risk->positions_file, "risk.positions_file", true, file->positions,
                           &file->position_count, ret_error);
    }
    if (error)
        reference_file_free(file);
    return error;
}

void reference_file_free(struct reference_file *file)
{
    free(file->rows);
    free(file->positions);
    *file = (struct reference_file){.rows = NULL};
}

void reference_file_carry(const struct reference_file *file, struct market *market)
{
    for (uint32_t i = 0; i < file->position_count; i++) {
        const struct reference_position *position = &file->positions[i];
        const bool carried = market_carry(market, position->symbol, position->shares, position->price, 0, 0);
        CHECK(carried); /* there are no more of them than it has room for */
    }
}
