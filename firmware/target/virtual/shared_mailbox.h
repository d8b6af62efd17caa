// The mailbox as the firmware sees it.
#pragma once
#include "mailbox.h"

extern Mailbox mailbox;
