#include "gateway/cmd.h"
int main(void){return CMD_USAGE;}
