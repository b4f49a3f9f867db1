#include "feed/itch.h"
int main(void){return 0;}
