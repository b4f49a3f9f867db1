#include "feed/frame.h"
