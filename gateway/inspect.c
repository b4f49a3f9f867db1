#include "gateway/cmd.h"
