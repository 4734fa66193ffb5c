// VolumeView: a volume's log and map as they were at one moment, for somebody who has no part in
// it. Takes no claim, raises no fence, writes nothing: harmless beside the gateway that serves the
// volume, and while another attaches.
//
// That gateway goes on. What a view says stays true of its moment, but objects it refers to may be
// deleted behind it, though only when a newer root is there: GC deletes what is dead in a root that
// was answered, and map objects that the last three roots do without. So what looks missing is
// missing only if the view's root is still the newest after it was looked for: is_newest().
#pragma once

#include <memory>
#include <optional>

#include "backend/volume/epoch.h"
#include "backend/volume/map_reader.h"
#include "backend/volume/recovery.h"

namespace swiftness {

struct VolumeView {
  VolumeView(Executor executor, const VolumeObjects& volume, ByteCount leaf_memory)
      : objects(volume),
        map(ledger, leaf_memory),
        reader(objects, log.eras),
        loader(std::move(executor), reader, map) {}
  VolumeView(const VolumeView&) = delete;
  VolumeView& operator=(const VolumeView&) = delete;

  const VolumeObjects& objects;
  Epoch claimed;               // the highest claim; 0: the volume was never attached
  std::optional<Start> start;  // the highest; nothing: no gateway ever served the volume
  ChunkLedger ledger;
  ExtentMap map;
  RecoveredLog log;
  MapReader reader;
  LeafLoader loader;
};

// `objects` is best made with a ReadOnlyStore. Looks again, after the pause, when a gateway changed
// the volume meanwhile. corrupt: an attach would fail as well. unavailable: it cannot be told now.
Async<std::unique_ptr<VolumeView>> take_view(const VolumeObjects& objects, ByteCount leaf_memory,
                                             Duration pause);

// Is the view's root the newest still, and its start the highest?
Async<bool> is_newest(const VolumeView& view);

}  // namespace swiftness
