// Text requests in full feature phase (RFC 7143 11.10, 11.11): one exchange at a time, in either
// direction over as many PDUs as its text needs. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "target/iscsi/pdu.h"
#include "target/iscsi/text_keys.h"

namespace swiftness::iscsi {

class TextExchange {
 public:
  struct Answer {
    TextResponse header;  // flags, tags
    std::string text;
  };
  // Turns whole, valid keys into the text of the answer.
  using Respond = std::function<std::string(const TextKeys&)>;

  // nothing: the request breaks the rules (Reject, protocol error), and the exchange is over.
  std::optional<Answer> receive(const TextRequest& request, std::string_view text,
                                uint32_t initiator_max_recv, const Respond& respond);

 private:
  Answer answer(const TextRequest& request, uint32_t initiator_max_recv);

  TextAssembly incoming_;
  TextPieces outgoing_;
  uint32_t transfer_tag_ = kReservedTag;  // of the exchange under way
  uint32_t last_tag_ = 0;
};

}  // namespace swiftness::iscsi
