#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make QEMU's amd-iommu offer what IOMMU_HWPT_ALLOC_NEST_PARENT asks for.

Reads the ACPI table IVRS of the guest on standard input and writes the same
table with GIOSUP (EFR bit 48) and GCR3TRPMODE (EFR2 bit 3) claimed, for the
kernel to take instead (CONFIG_ACPI_TABLE_UPGRADE). The kernel believes the
table over the registers. Nothing behind it works any better: only a parent
domain is had, and no nested one may ever be attached.

Layout: AMD I/O Virtualization Technology (IOMMU) Specification, chapter 5.2.
"""

import struct
import sys

HEADER = 48  # ACPI header, IVinfo, reserved
CHECKSUM, OEM_REVISION = 9, 0x18
IVHD_WITH_EFR = (0x11, 0x40)
EFR, EFR2 = 0x18, 0x20  # offsets in a block that has them
GIOSUP, GCR3TRPMODE = 1 << 48, 1 << 3


def patched(table: bytes) -> bytes:
    if len(table) < HEADER or table[:4] != b"IVRS":
        raise ValueError("no IVRS table on standard input")
    if struct.unpack_from("<I", table, 4)[0] != len(table):
        raise ValueError("the IVRS table is not as long as it says")
    new = bytearray(table)
    at, found = HEADER, False
    while at < len(new):
        kind, length = struct.unpack_from("<BxH", new, at)
        if length < 4 or at + length > len(new):
            raise ValueError(f"the block at {at:#x} does not fit into the table")
        if kind in IVHD_WITH_EFR:
            for offset, bit in ((EFR, GIOSUP), (EFR2, GCR3TRPMODE)):
                (value,) = struct.unpack_from("<Q", new, at + offset)
                struct.pack_into("<Q", new, at + offset, value | bit)
            found = True
        at += length
    if not found:
        raise ValueError("no IVHD block with an extended feature register")
    # the kernel takes an override only when it is newer
    (revision,) = struct.unpack_from("<I", new, OEM_REVISION)
    struct.pack_into("<I", new, OEM_REVISION, revision + 1)
    new[CHECKSUM] = 0
    new[CHECKSUM] = -sum(new) & 0xFF
    return bytes(new)


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(patched(sys.stdin.buffer.read()))
    except (ValueError, struct.error) as refusal:
        sys.exit(f"ivrs: {refusal}")
