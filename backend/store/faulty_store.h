// FaultyStore: an ObjectStore that misbehaves as a real one does, over any store that does not.
//
// Fault model. Everything here is allowed by the store contract; code above must survive it.
//   refused         a call fails (unavailable) and nothing happened
//   answer lost     a change took effect, the caller is told unavailable or timed_out; a
//   create-only
//                   put may also be told `conflict`, having met its own first attempt
//   late            a put or copy answers timed_out and takes effect some calls later, after
//   changes
//                   that were asked for after it
//   reordering      every call spends random turns of the event loop before its effect and again
//                   before its answer, so concurrent calls overtake each other both ways
//   stale reads     get and head without `newest` may answer an earlier version of an object that
//                   was overwritten or removed
//   false 404       get and head may answer not_found for an object that is there
//   doubt           presence() may answer unknown, for all names of a call
//   short listings  list() may leave out names put lately
//   blind creation  create_only may overlook an existing object and replace it
//   corruption      get may answer with one bit flipped
//   crash           crash() cuts this store's user off: see there
// Never done, because the contract rules it out: a success without effect, a torn object,
// Presence::no for an object that is there, a new name that cannot be read after its put succeeded
// (but false 404).
//
// Deterministic: all randomness comes from the seed, and a call draws all of its own when it
// starts. The same calls started in the same order meet the same faults. Options and scripted
// faults may be changed at any time; they act on calls that start later. All on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backend/object_store.h"

namespace swiftness {

enum class StoreCall { create_container, put, get, head, presence, remove, list, copy };

// Probabilities are 0 to 1, drawn once a call (remove: once an object); 0 means never.
struct FaultOptions {
  double refuse = 0;            // every call
  double lose_answer = 0;       // changes: create_container, put, remove, copy
  double late = 0;              // put, copy
  double stale_read = 0;        // get, head
  double false_not_found = 0;   // get, head
  double presence_unknown = 0;  // presence
  double omit_listed = 0;       // list, for each of the names put lately
  double blind_create = 0;      // create-only put
  double corrupt_read = 0;      // get
  uint32_t late_calls = 32;     // a late change waits for 1 to so many later calls
  uint32_t delay_turns = 0;     // turns of the event loop, before the effect and again after it
  Duration delay{0};            // of real time, before the effect: 0 to so much

  // What a bad day looks like; leaves out what only a caller's bug survives: corruption and blind
  // creation.
  static FaultOptions rough();
};

class FaultyStore final : public ObjectStore {
 public:
  FaultyStore(std::unique_ptr<ObjectStore> inner, Executor executor, uint64_t seed,
              FaultOptions options = {});
  ~FaultyStore() override;  // calls on their way go on without it

  void set_options(FaultOptions options);

  // --- Scripted faults, tried before the random ones -----------------------------------------

  enum class Effect { none, taken };

  // The next `count` calls of this kind on names that begin with `prefix` fail with `code`; with
  // Effect::taken a change happens nevertheless. The name is the object's without its container
  // (copy: of the new object; list: the prefix asked for; create_container: the container's;
  // presence: the first name, and failing means unknown).
  void fail_next(StoreCall call, std::string prefix, uint64_t count,
                 ErrorCode code = ErrorCode::unavailable, Effect effect = Effect::none);

  // Calls of this kind on such names wait before their effect, until release().
  void hold(StoreCall call, std::string prefix);
  // Answers of presence() whose first name begins so wait after the look, until release().
  void hold_answers(std::string prefix);
  // In the midst of presence(): the names before the first that begins so have been looked at, that
  // one and the rest are looked at after release().
  void hold_rest(std::string prefix);
  void release();                  // lifts every hold
  uint64_t held() const noexcept;  // calls waiting so now

  void set_down(bool down);  // while down, every call that starts is refused

  // --- Crash -----------------------------------------------------------------------------------

  // The user of this store dies. At once: calls on their way fail (unavailable) on their next turn,
  // and so does every later one, without effect. Changes that had not taken effect, late ones too,
  // each come through or not, at random. Those that do stay in the air until settle(); so a test
  // may let them land before the next gateway attaches, or in the midst of it. Only what the inner
  // store was already busy with lands by itself (with a MemoryStore: on the next turn).
  void crash();
  bool crashed() const noexcept;

  // Lands, in random order, all changes in the air: late ones, or a crash's survivors. Returns when
  // they are done; after a crash, also when every call on its way has failed.
  Task settle();

  uint64_t calls(StoreCall call) const noexcept;  // started so far, remove counted by object

  // --- ObjectStore -----------------------------------------------------------------------------

  Async<void> create_container(std::string container) override;
  Async<void> put(ObjectName object, BufferList data, PutOptions options) override;
  Async<Buffer> get(ObjectName object, ByteRange range, GetOptions options) override;
  Async<ObjectInfo> head(ObjectName object, GetOptions options) override;
  asio::awaitable<std::vector<Presence>> presence(std::string container,
                                                  std::vector<std::string> names) override;
  Async<RemoveReport> remove(std::vector<ObjectName> objects) override;
  Async<ListPage> list(std::string container, std::string prefix, std::string marker,
                       size_t limit) override;
  Async<void> copy(ObjectName from, ObjectName to) override;

 private:
  class Core;  // shared with the calls on their way
  std::shared_ptr<Core> core_;
};

}  // namespace swiftness
