/* The two files that a day begins with, from disk: reference data and positions. A file of another day than the feeds'
 * is refused. Main thread, set-up. */
#ifndef GATEWAY_REFERENCE_FILE_H
#define GATEWAY_REFERENCE_FILE_H

#include "config/config.h"
#include "gateway/order/market.h"
#include "gateway/order/reference.h"

#define REFERENCE_FILE_ERROR_MAX 640u
#define REFERENCE_FILE_BYTES_MAX (16u << 20)

struct reference_file {
    bool has_reference;               /* the config names such a file */
    struct reference reference;
    struct reference_row *rows;
    struct reference_position *positions;
    uint32_t position_count;
};

/* Read what the config names. 0, or -errno and one sentence with file and line in ret_error, where nothing is held. */
int reference_file_load(struct reference_file *file, const struct config *config,
                        char ret_error[REFERENCE_FILE_ERROR_MAX]);
void reference_file_free(struct reference_file *file);

/* The positions become those of this market: carried until their instruments are defined. */
void reference_file_carry(const struct reference_file *file, struct market *market);

#endif
