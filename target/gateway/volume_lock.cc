#include "target/gateway/volume_lock.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace swiftness {

Result<FileDescriptor> lock_volume(const Uuid& volume) {
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.number() < 0) return system_error(errno, "cannot make a socket");
  // An abstract name begins with a zero byte and is no file.
  const std::string name = "swiftness-volume-" + to_string(volume);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), length) == 0) {
    return socket;
  }
  if (errno != EADDRINUSE) return system_error(errno, "cannot lock the volume");
  return Error(ErrorCode::conflict,
               "another gateway process on this machine has it attached; stop that one first "
               "(@" +
                   name + " in ss -xl names it)");
}

}  // namespace swiftness
