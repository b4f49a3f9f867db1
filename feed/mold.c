#include "feed/mold.h"
