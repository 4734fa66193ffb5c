// What THIRD-PARTY COPY IN returns (SPC-5 6.22 to 6.28), and VPD page 8Fh (SPC-5 7.7.18), which
// says in advance what can be copied. As bytes; pure.
#pragma once

#include "backend/base/buffer.h"
#include "backend/block_device.h"
#include "target/scsi/copy_operations.h"

namespace swiftness::scsi {

Bytes copy_operating_parameters_data(const Geometry& geometry);
Bytes copy_status_lid1_data(const CopyOperation& operation);
Bytes copy_data_lid1_data();  // held data: there never are any
Bytes copy_failure_details_lid1_data(const CopyOperation& operation);
Bytes copy_status_lid4_data(const CopyOperation& operation);
Bytes rod_token_information_data(const CopyOperation& operation);

// Everything of VPD page 8Fh behind its header.
Bytes third_party_copy_descriptors(const Geometry& geometry);

}  // namespace swiftness::scsi
