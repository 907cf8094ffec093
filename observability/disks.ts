/** The scrape job of node_exporter, so that the disks of machines that are none of ours are not judged in a Prometheus that has more. */
const disks = '{job="holdfast-machine",fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660|erofs|vfat"}'
const bytes = `node_filesystem_avail_bytes${disks}`

/** What is left on each disk for whoever is not root: in bytes of each place where it is mounted, and as a share. */
export const roomOnDisks = {
  bytes,
  /** A disk that is mounted in several places is one. */
  share: `min by (instance, device) (${bytes} / node_filesystem_size_bytes${disks})`,
}
