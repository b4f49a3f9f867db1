/* Where everything stands in the YAML text: one node for each key, entry and value, with its line and its raw text.
 * Made from libyaml's events, since libcyaml forgets positions and raw numerals once it has filled a struct. Used by
 * config_load only, on the main thread; bounded by the file's size and by CONFIG_DEPTH_MAX. */
#ifndef CONFIG_CONFIG_LINES_H
#define CONFIG_CONFIG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_DEPTH_MAX 8u
#define CONFIG_NODES_MAX 32768u /* 16 strategies with 1,024 symbols each are half of it */
#define CONFIG_NODE_NONE UINT32_MAX
#define CONFIG_PATH_MAX  192u /* "feeds[3].lines[1].group" and its end */

enum config_node_kind { CONFIG_SCALAR, CONFIG_MAPPING, CONFIG_SEQUENCE };

struct config_node {
    enum config_node_kind kind;
    char *key;                                      /* in a mapping; NULL in a sequence and for the root */
    char *text;                                     /* CONFIG_SCALAR: as written, quotes and escapes resolved */
    uint32_t line;                                  /* from 1: of the key, else of the value */
    uint32_t parent, first_child, last_child, next; /* node indexes, CONFIG_NODE_NONE = none */
    uint32_t child_count;
    uint32_t index; /* position in its parent, from 0 */
    bool bad;       /* a finding was already made about its spelling: do not judge its value */
};

struct config_lines {
    struct config_node *node; /* node[0] is the root */
    uint32_t count, capacity;
};

/* Read `text`. 0; -EINVAL: *ret_line and ret_error say what is not right; -ENOMEM. config_lines_finish is due in any
 * case. An empty document gives count 0. */
int config_lines_init(struct config_lines *lines, const char *text, size_t text_len, uint32_t *ret_line,
                      char ret_error[256]);
void config_lines_finish(struct config_lines *lines);

/* The value of `key` in mapping `node`; the index-th entry of sequence `node`. CONFIG_NODE_NONE: there is none. */
uint32_t config_lines_key(const struct config_lines *lines, uint32_t node, const char *key);
uint32_t config_lines_entry(const struct config_lines *lines, uint32_t node, uint32_t index);

/* The node that `path` leads to. When it is not there: CONFIG_NODE_NONE. ret_nearest (may be NULL): the last node on
 * the way that exists, so that a missing key is reported at the line of the mapping that lacks it. */
uint32_t config_lines_find(const struct config_lines *lines, const char *path, uint32_t *ret_nearest);

/* The path of a node. */
void config_lines_path(const struct config_lines *lines, uint32_t node, char ret_path[CONFIG_PATH_MAX]);

#endif
