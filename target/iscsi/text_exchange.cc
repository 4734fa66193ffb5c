#include "target/iscsi/text_exchange.h"

namespace swiftness::iscsi {

std::optional<TextExchange::Answer> TextExchange::receive(const TextRequest& request,
                                                          std::string_view text,
                                                          uint32_t initiator_max_recv,
                                                          const Respond& respond) {
  bool continues = (request.flags & kContinue) != 0;
  bool final = (request.flags & kFinal) != 0;
  bool known = request.target_transfer_tag != kReservedTag;
  bool ours = known && request.target_transfer_tag == transfer_tag_;
  if (!ours) {  // 11.10.4: a reserved tag begins anew and drops what was under way
    incoming_.clear();
    outgoing_ = {};
    transfer_tag_ = kReservedTag;
  }
  if ((known && !ours) || (continues && final) || !incoming_.add(text)) {
    incoming_.clear();
    transfer_tag_ = kReservedTag;
    return std::nullopt;
  }
  if (outgoing_.more()) {
    if (!text.empty() || continues)
      return std::nullopt;  // 6.2: only an empty request asks for more
    return answer(request, initiator_max_recv);
  }
  if (!continues) {
    Result<TextKeys> keys = TextKeys::parse(incoming_.text());
    incoming_.clear();
    if (!keys) {
      transfer_tag_ = kReservedTag;
      return std::nullopt;
    }
    outgoing_ = TextPieces(respond(*keys));
  }
  return answer(request, initiator_max_recv);
}

TextExchange::Answer TextExchange::answer(const TextRequest& request, uint32_t initiator_max_recv) {
  Answer answer;
  answer.text = outgoing_.next(initiator_max_recv);
  bool over = !outgoing_.more() && (request.flags & kFinal) != 0;
  answer.header.initiator_task_tag = request.initiator_task_tag;
  answer.header.lun = request.lun;
  answer.header.flags = over ? kFinal : outgoing_.more() ? kContinue : 0;
  if (over) {
    transfer_tag_ = kReservedTag;
  } else if (transfer_tag_ == kReservedTag) {
    if (++last_tag_ == kReservedTag) last_tag_ = 1;
    transfer_tag_ = last_tag_;
  }
  answer.header.target_transfer_tag = transfer_tag_;
  return answer;
}

}  // namespace swiftness::iscsi
