#include "feed/arb.h"
