// ServedVolume: one volume of the configuration, on its way from a name to an attached disk.
//
//   name --(state_dir, or the store's catalogue)--> identity: the logical unit can exist
//        --(attach, retried for ever)-------------> online
//
// What can never get better without a change of the configuration or by hand (another size, another
// volume under the name, taken over by another gateway) ends the attempts; status() says what it
// is.
//
// Lives on one shard. The store and the StateDir outlive it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backend/base/gate.h"
#include "backend/base/posix_file.h"
#include "backend/object_store.h"
#include "backend/volume/volume.h"
#include "config/config.h"
#include "target/gateway/state_dir.h"

namespace swiftness {

class ServedVolume {
 public:
  // Called once, as soon as the volume's identity is known; its logical unit can exist from then
  // on.
  using OnKnown = std::function<void(Volume&)>;

  // Without `memory` nothing is remembered: for stores that end with the process.
  ServedVolume(Executor executor, config::Volume wanted, ObjectStore& store, StateDir* memory,
               VolumeOptions options, OnKnown on_known);
  ~ServedVolume();  // after stop()

  void start();  // returns at once; may call on_known at once

  // The configuration is another one: of the same volume, and different only in what may change
  // while it is served (changes.h).
  void want(const config::Volume& wanted);

  // Gives up attaching, or stores what is not yet stored and takes the volume offline. Takes as
  // long as the store does.
  Task stop();

  const config::Volume& wanted() const noexcept { return wanted_; }
  const Volume* volume() const noexcept { return volume_.get(); }  // null: identity unknown
  bool is_known() const noexcept { return volume_ != nullptr; }
  BlockDevice& device() noexcept { return *volume_; }  // when it is known
  bool is_online() const noexcept;
  bool is_draining() const noexcept { return is_draining_; }  // was online, is being stopped
  bool has_unsafe_data() const noexcept;  // acknowledged, not in the store, and maybe never will be
  std::string trouble() const;            // what keeps it from being well; empty when nothing does

 private:
  Task attach_until_online();
  Async<void> attach_once();
  Task grow_as_wanted();
  Async<VolumeDescriptor> find_or_create();
  Async<VolumeDescriptor> create();
  Result<void> check_against_memory(const VolumeDescriptor& found);
  Result<void> check_against_configuration(const VolumeDescriptor& found);
  void report_trouble(const Error& error);
  void become_known(const VolumeDescriptor& descriptor);
  Error hopeless(std::string why);  // an Error that ends the attempts

  config::Volume wanted_;
  ObjectStore& store_;
  StateDir* memory_;
  VolumeOptions options_;
  OnKnown on_known_;

  Gate gate_;
  AsyncEvent wake_;
  std::optional<RememberedVolume> remembered_;
  std::unique_ptr<JournalFile> journal_;
  FileDescriptor lock_;  // while the volume is attached, or about to be (volume_lock.h)
  std::unique_ptr<Volume> volume_;
  std::string trouble_;
  bool stopping_ = false;
  bool is_hopeless_ = false;
  bool is_misconfigured_ = false;  // which is why
  bool is_growing_ = false;
  bool is_draining_ = false;
  bool stop_failed_ = false;
};

}  // namespace swiftness
