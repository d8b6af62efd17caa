// What the firmware under test prints. It is kept in memory while a frame is drawn, because how long the serial line
// takes is the host's matter, and written when the clock stands still.
#pragma once

namespace guest_log {

void flush();

}  // namespace guest_log
