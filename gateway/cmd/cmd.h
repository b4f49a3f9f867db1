/* The sub-commands of tickgate. Each parses its own arguments (argv[0] is its name), prints to stdout, says what is
 * wrong on stderr, and returns the exit code of the process. */
#ifndef GATEWAY_CMD_CMD_H
#define GATEWAY_CMD_CMD_H

enum cmd_exit {
    CMD_OK = 0,
    CMD_FAILED = 1, /* it ran, and what it found or did is not good: damaged capture, hash void, port failed */
    CMD_USAGE = 2,  /* arguments or config are wrong: nothing was started */
};

int cmd_run(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_admin(int argc, char **argv);
int cmd_audit(int argc, char **argv);

#endif
