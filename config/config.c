/* See config.h. config_load runs the passes in the order of config_load.h; each adds what it finds, so that one run
 * names as many mistakes as can be told apart. A later pass is left out only where an earlier one leaves nothing to
 * work on. */
#include "config/config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_FILE_BYTES_MAX (512u * 1024)

static void __attribute__((format(printf, 6, 0))) find(struct config_findings *findings, bool warning, const char *path,
                                                       uint32_t line, const char *key, const char *format, va_list args)
{
    (*(warning ? &findings->warning_count : &findings->error_count))++;
    if (findings->count == CONFIG_FINDINGS_MAX)
        return;
    struct config_finding *finding = &findings->finding[findings->count++];
    const size_t size = sizeof(finding->text);
    size_t len = (size_t)snprintf(finding->text, size / 2, "%s", path);
    if (len >= size / 2)
        len = size / 2 - 1;
    if (line)
        len += (size_t)snprintf(finding->text + len, size - len, ":%u", line);
    len += (size_t)snprintf(finding->text + len, size - len, ": %s%.191s%s", warning ? "warning: " : "", key,
                            *key ? ": " : "");
    if (len < size)
        (void)vsnprintf(finding->text + len, size - len, format, args);
    for (char *c = finding->text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    finding->warning = warning;
}

void config_find(struct config_findings *findings, bool warning, const char *path, uint32_t line, const char *key,
                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    find(findings, warning, path, line, key, format, args);
    va_end(args);
}

struct config_at config_at(const char *format, ...)
{
    struct config_at at;
    va_list args;

    va_start(args, format);
    vsnprintf(at.path, sizeof(at.path), format, args);
    va_end(args);
    return at;
}

void config_say(const struct config_load *load, bool warning, const char *key, const char *format, ...)
{
    uint32_t nearest;
    va_list args;

    (void)config_lines_find(&load->lines, key, &nearest);
    va_start(args, format);
    find(load->findings, warning, load->path, nearest == CONFIG_NODE_NONE ? 0 : load->lines.node[nearest].line, key,
         format, args);
    va_end(args);
}

/* The whole file. 0, or -errno and a finding. */
static int file_read(const char *path, char **ret_text, size_t *ret_text_len, struct config_findings *findings)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = malloc(CONFIG_FILE_BYTES_MAX + 1);
    size_t len = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    int error = fd < 0 ? -errno : 0;

    while (error == 0 && text && got > 0 && len <= CONFIG_FILE_BYTES_MAX) {
        got = read(fd, text + len, CONFIG_FILE_BYTES_MAX + 1 - len);
        if (got > 0)
            len += (size_t)got;
        else if (got < 0)
            error = -errno;
    }
    if (fd >= 0)
        close(fd);
    if (!text)
        error = -ENOMEM;
    if (error)
        config_find(findings, false, path, 0, "", "cannot be read: %s; check the path and its permissions",
                    strerror(-error));
    else if (len > CONFIG_FILE_BYTES_MAX) {
        config_find(findings, false, path, 0, "", "is longer than %u bytes; is it a config?", CONFIG_FILE_BYTES_MAX);
        error = -EINVAL;
    }
    if (error) {
        free(text);
        return error;
    }
    *ret_text = text;
    *ret_text_len = len;
    return 0;
}

static int load_config(struct config_load *load, const char *text, size_t text_len, struct config *config)
{
    struct raw *raw = NULL;
    char words[256];
    uint32_t line = 0;

    int error = config_lines_init(&load->lines, text, text_len, &line, words);
    if (error == -EINVAL)
        config_find(load->findings, false, load->path, line, "", "%s", words);
    if (error)
        return error;
    if (load->lines.count == 0 ||
        (load->lines.count == 1 && load->lines.node[0].kind == CONFIG_SCALAR && load->lines.node[0].text[0] == '\0')) {
        config_find(load->findings, false, load->path, 0, "", "is empty; start from config/example.yaml");
        return -EINVAL;
    }
    config_schema_check(&load->lines, load->path, load->findings);
    error = config_schema_load(text, text_len, &raw, words);
    if (error == -EINVAL) {
        /* Where the words are not right libcyaml has nothing to add. */
        if (load->findings->error_count == 0)
            config_find(load->findings, false, load->path, 0, "",
                        "cannot be understood: %.200s; compare it with "
                        "config/example.yaml",
                        words);
        return -EINVAL;
    }
    if (error)
        return error;
    error = config_convert(load, raw, config);
    if (error == 0)
        config_check(load, config);
    config_schema_free(raw);
    return error;
}

int config_load(const char *path, struct config **ret_config, struct config_findings *ret_findings)
{
    struct config_load load = {.path = path, .findings = ret_findings};
    struct config *config = calloc(1, sizeof(*config));
    char *text = NULL;
    size_t text_len = 0;

    *ret_findings = (struct config_findings){0};
    int error = file_read(path, &text, &text_len, ret_findings);
    if (error == 0) {
        if (config)
            config->path = strdup(path);
        error = config && config->path ? load_config(&load, text, text_len, config) : -ENOMEM;
        if (error == -ENOMEM)
            config_find(ret_findings, false, path, 0, "", "no memory to read it; free some");
    }
    config_lines_finish(&load.lines);
    free(text);
    if (error == 0 && ret_findings->error_count > 0)
        error = -EINVAL;
    if (error == 0)
        *ret_config = config;
    else
        config_free(config);
    return error;
}

static void string_free(const char *string)
{
    free((void *)(uintptr_t)string); /* owned, though readers see it const */
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (uint32_t i = 0; i < config->port_count; i++)
        free(config->port[i].device);
    for (uint32_t i = 0; i < config->feed_count; i++) {
        free(config->feed[i].line_list);
        free(config->feed[i].retransmission.server_list);
        free(config->feed[i].snapshot.server_list);
    }
    for (uint32_t i = 0; i < config->strategy_count; i++) {
        struct config_strategy *strategy = &config->strategy[i];
        for (uint32_t j = 0; j < strategy->param_count; j++) {
            string_free(strategy->param_list[j].key);
            string_free(strategy->param_list[j].value);
        }
        free(strategy->param_list);
        free(strategy->symbol_list);
        free(strategy->plugin);
    }
    free(config->orders.refs_file);
    free(config->admin.socket);
    free(config->admin.audit_file);
    free(config->risk.reference_file);
    free(config->risk.positions_file);
    free(config->fault_list);
    free(config->path);
    free(config);
}
