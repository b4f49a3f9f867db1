#include "feed/channel.h"
