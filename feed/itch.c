#include "feed/itch.h"
