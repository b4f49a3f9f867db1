#include "feed/book.h"
