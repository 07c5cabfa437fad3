// Package footprint looks at what workloads take of the host's storage: image
// layers, writable layers, root directories and disks, each known by a key, so
// that what several workloads share is one thing however many hold it.
//
// All of it is slow, and some of it may hang: so it is looked at in the background,
// once an hour, a source at a time and each for itself, and served with its age.
// Nothing is looked at that nobody scrapes.
//
// A system call on storage that does not answer cannot be cancelled. Each runs in
// a goroutine of its own that is left behind when it hangs (see guard), of which
// there are few: what lies on the same mount is not touched until one comes back.
package footprint
