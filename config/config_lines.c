/* See config_lines.h. */
#include "config/config_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* What is open while events come in. */
struct reader {
    struct config_lines *lines;
    uint32_t open[CONFIG_DEPTH_MAX]; /* mappings and sequences, outermost first */
    uint32_t depth;
    char *key; /* the key whose value comes next */
    uint32_t key_line;
    uint32_t documents;
    bool ended;
    uint32_t *ret_line;
    char *ret_error;
};

static int refuse(struct reader *reader, size_t line, const char *what)
{
    *reader->ret_line = (uint32_t)line;
    snprintf(reader->ret_error, 256, "%s", what);
    return -EINVAL;
}

/* A node below the innermost open one. 0 or -ENOMEM. */
static int add(struct reader *reader, enum config_node_kind kind, uint32_t line, char *text, uint32_t *ret_node)
{
    struct config_lines *lines = reader->lines;

    if (lines->count == CONFIG_NODES_MAX)
        return refuse(reader, line, "more keys and entries than any config needs; split the config");
    if (lines->count == lines->capacity) {
        const uint32_t capacity = lines->capacity ? lines->capacity * 2 : 256;
        struct config_node *node = realloc(lines->node, capacity * sizeof(*node));
        if (!node)
            return -ENOMEM;
        lines->node = node;
        lines->capacity = capacity;
    }
    const uint32_t idx = lines->count++;
    struct config_node *node = &lines->node[idx];
    *node = (struct config_node){.kind = kind,
                                 .key = reader->key,
                                 .text = text,
                                 .line = line,
                                 .parent = CONFIG_NODE_NONE,
                                 .first_child = CONFIG_NODE_NONE,
                                 .last_child = CONFIG_NODE_NONE,
                                 .next = CONFIG_NODE_NONE};
    if (reader->key)
        node->line = reader->key_line;
    reader->key = NULL;
    if (reader->depth > 0) {
        node->parent = reader->open[reader->depth - 1];
        struct config_node *parent = &lines->node[node->parent];
        node->index = parent->child_count++;
        if (parent->last_child == CONFIG_NODE_NONE)
            parent->first_child = idx;
        else
            lines->node[parent->last_child].next = idx;
        parent->last_child = idx;
    }
    *ret_node = idx;
    return 0;
}

static bool key_due(const struct reader *reader)
{
    return reader->depth > 0 && reader->lines->node[reader->open[reader->depth - 1]].kind == CONFIG_MAPPING &&
           !reader->key;
}

static int take_scalar(struct reader *reader, const yaml_event_t *event, uint32_t line)
{
    const char *value = (const char *)event->data.scalar.value;
    const size_t len = event->data.scalar.length;
    uint32_t node;

    if (event->data.scalar.anchor)
        return refuse(reader, line, "anchors (&name) are not supported; write the value out");
    if (memchr(value, '\0', len))
        return refuse(reader, line, "a text holds a NUL byte; remove it");
    char *text = strndup(value, len);
    if (!text)
        return -ENOMEM;
    if (key_due(reader)) {
        reader->key = text;
        reader->key_line = line;
        return 0;
    }
    const int error = add(reader, CONFIG_SCALAR, line, text, &node);
    if (error)
        free(text);
    return error;
}

static int take_open(struct reader *reader, enum config_node_kind kind, bool anchored, uint32_t line)
{
    uint32_t node;

    if (key_due(reader))
        return refuse(reader, line, "a key is a list or a mapping here; a key must be a plain word");
    if (anchored)
        return refuse(reader, line, "anchors (&name) are not supported; write the value out");
    if (reader->depth == CONFIG_DEPTH_MAX)
        return refuse(reader, line, "nested deeper than any key of a config; check indentation and brackets");
    const int error = add(reader, kind, line, NULL, &node);
    if (error == 0)
        reader->open[reader->depth++] = node;
    return error;
}

static int take(struct reader *reader, const yaml_event_t *event)
{
    const uint32_t line = (uint32_t)event->start_mark.line + 1;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++reader->documents > 1)
            return refuse(reader, line, "a second YAML document begins here; keep one document in a config file");
        return 0;
    case YAML_SCALAR_EVENT:
        return take_scalar(reader, event, line);
    case YAML_MAPPING_START_EVENT:
        return take_open(reader, CONFIG_MAPPING, event->data.mapping_start.anchor != NULL, line);
    case YAML_SEQUENCE_START_EVENT:
        return take_open(reader, CONFIG_SEQUENCE, event->data.sequence_start.anchor != NULL, line);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        reader->depth--;
        return 0;
    case YAML_ALIAS_EVENT:
        return refuse(reader, line, "aliases (*name) are not supported; write the value out");
    case YAML_STREAM_END_EVENT:
        reader->ended = true;
        return 0;
    default:
        return 0;
    }
}

/* libyaml gives a place for syntax, but only a byte offset for bytes that are no UTF-8. */
static int syntax(struct reader *reader, const yaml_parser_t *parser, const char *text, size_t text_len)
{
    size_t line = parser->problem_mark.line + 1;

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < text_len && i < parser->problem_offset; i++)
            line += text[i] == '\n';
    } else if (line > 1 && parser->problem_mark.index >= text_len) {
        line = 1; /* at the end of the text: name the last line that exists */
        for (size_t i = 0; i + 1 < text_len; i++)
            line += text[i] == '\n';
    }
    *reader->ret_line = (uint32_t)line;
    snprintf(reader->ret_error, 256,
             "is no YAML: %s%s%s; check indentation (spaces, never tabs), quotes and the colon "
             "after the key",
             parser->problem ? parser->problem : "syntax error", parser->context ? " " : "",
             parser->context ? parser->context : "");
    return -EINVAL;
}

int config_lines_init(struct config_lines *lines, const char *text, size_t text_len, uint32_t *ret_line,
                      char ret_error[256])
{
    *lines = (struct config_lines){0};
    struct reader reader = {.lines = lines, .ret_line = ret_line, .ret_error = ret_error};
    yaml_parser_t parser;
    int error = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, text_len);
    while (error == 0 && !reader.ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            error = syntax(&reader, &parser, text, text_len);
            break;
        }
        error = take(&reader, &event);
        yaml_event_delete(&event);
    }
    free(reader.key);
    yaml_parser_delete(&parser);
    return error;
}

void config_lines_finish(struct config_lines *lines)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        free(lines->node[i].key);
        free(lines->node[i].text);
    }
    free(lines->node);
    *lines = (struct config_lines){0};
}

static uint32_t key_len_find(const struct config_lines *lines, uint32_t node, const char *key, size_t key_len)
{
    if (node >= lines->count || lines->node[node].kind != CONFIG_MAPPING)
        return CONFIG_NODE_NONE;
    for (uint32_t i = lines->node[node].first_child; i != CONFIG_NODE_NONE; i = lines->node[i].next)
        if (strncmp(lines->node[i].key, key, key_len) == 0 && lines->node[i].key[key_len] == '\0')
            return i;
    return CONFIG_NODE_NONE;
}

uint32_t config_lines_key(const struct config_lines *lines, uint32_t node, const char *key)
{
    return key_len_find(lines, node, key, strlen(key));
}

uint32_t config_lines_entry(const struct config_lines *lines, uint32_t node, uint32_t index)
{
    if (node >= lines->count || lines->node[node].kind != CONFIG_SEQUENCE)
        return CONFIG_NODE_NONE;
    uint32_t i = lines->node[node].first_child;
    while (i != CONFIG_NODE_NONE && index-- > 0)
        i = lines->node[i].next;
    return i;
}

uint32_t config_lines_find(const struct config_lines *lines, const char *path, uint32_t *ret_nearest)
{
    uint32_t node = lines->count > 0 ? 0 : CONFIG_NODE_NONE;

    if (ret_nearest)
        *ret_nearest = node;
    while (node != CONFIG_NODE_NONE && *path) {
        if (*path == '[') {
            char *end;
            node = config_lines_entry(lines, node, (uint32_t)strtoul(path + 1, &end, 10));
            path = *end == ']' ? end + 1 : end;
        } else {
            path += *path == '.';
            const size_t key_len = strcspn(path, ".[");
            node = key_len_find(lines, node, path, key_len);
            path += key_len;
        }
        if (ret_nearest && node != CONFIG_NODE_NONE)
            *ret_nearest = node;
    }
    return node;
}

void config_lines_path(const struct config_lines *lines, uint32_t node, char ret_path[CONFIG_PATH_MAX])
{
    uint32_t way[CONFIG_DEPTH_MAX + 1];
    uint32_t depth = 0;
    size_t len = 0;

    for (uint32_t i = node; i != CONFIG_NODE_NONE && depth < CONFIG_DEPTH_MAX + 1; i = lines->node[i].parent)
        way[depth++] = i;
    ret_path[0] = '\0';
    while (depth-- > 0 && len < CONFIG_PATH_MAX) {
        const struct config_node *at = &lines->node[way[depth]];
        if (at->key)
            len += (size_t)snprintf(ret_path + len, CONFIG_PATH_MAX - len, "%s%.40s", len ? "." : "", at->key);
        else if (at->parent != CONFIG_NODE_NONE)
            len += (size_t)snprintf(ret_path + len, CONFIG_PATH_MAX - len, "[%u]", at->index);
    }
}
