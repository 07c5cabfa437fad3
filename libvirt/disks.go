package libvirt

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"github.com/workload-exporter/workload_exporter/workload"
)

// disksMax bounds the numbers that a reply may count up to.
const disksMax = 4096

// parseBlocks takes the disks from a reply to a BLOCK request with BACKING: block.N
// is a disk, or a backing file of the disk before it, which has its name. An empty
// drive is no disk. An error says that QEMU was not asked, or had no answer.
func parseBlocks(params []libvirt.TypedParam) ([]workload.Disk, error) {
	type block struct {
		name string
		workload.DiskLayer
	}
	var blocks []block
	for i := range params {
		rest, ok := strings.CutPrefix(params[i].Field, "block.")
		if !ok {
			continue
		}
		index, key, ok := strings.Cut(rest, ".")
		n, err := strconv.ParseUint(index, 10, 32)
		if !ok || err != nil || n >= disksMax {
			continue
		}
		for uint64(len(blocks)) <= n {
			blocks = append(blocks, block{})
		}
		b, value := &blocks[n], params[i].Value.I
		switch key {
		case "name":
			b.name, _ = value.(string)
		case "path":
			b.Path, _ = value.(string)
		case "capacity":
			b.Capacity = number(value)
		case "physical":
			b.Allocated = number(value)
		}
	}
	var disks []workload.Disk
	for i := range blocks {
		b := &blocks[i]
		_, sized := b.Capacity.Get()
		_, held := b.Allocated.Get()
		switch {
		case b.name == "":
			return nil, fmt.Errorf("block.%d has no name", i)
		case b.Path == "" && !sized:
			// An empty drive.
		case !sized || !held && b.Path != "":
			return nil, fmt.Errorf("no sizes of %s", b.name)
		case len(disks) > 0 && disks[len(disks)-1].Target == b.name:
			d := &disks[len(disks)-1]
			d.Layers = append(d.Layers, b.DiskLayer)
		default:
			disks = append(disks, workload.Disk{Target: b.name, Layers: []workload.DiskLayer{b.DiskLayer}})
		}
	}
	return disks, nil
}

// parseCommon takes from a domain's XML the disks that others may have too.
func parseCommon(text string) (map[string]bool, error) {
	var domain struct {
		Disks []struct {
			Device string `xml:"device,attr"`
			Target struct {
				Dev string `xml:"dev,attr"`
			} `xml:"target"`
			ReadOnly  *struct{} `xml:"readonly"`
			Shareable *struct{} `xml:"shareable"`
		} `xml:"devices>disk"`
	}
	if err := xml.Unmarshal([]byte(text), &domain); err != nil {
		return nil, fmt.Errorf("domain XML: %w", err)
	}
	common := map[string]bool{}
	for i := range domain.Disks {
		d := &domain.Disks[i]
		if d.ReadOnly != nil || d.Shareable != nil || d.Device == "cdrom" {
			common[d.Target.Dev] = true
		}
	}
	return common, nil
}

// disks asks QEMU, by way of libvirt, for a machine's disks. It waits for as long
// as either takes.
func (s *Source) disks(c *conn, handle libvirt.Domain) ([]workload.Disk, error) {
	text, err := definition(c, handle)
	if err != nil {
		return nil, err
	}
	common, err := parseCommon(text)
	if err != nil {
		return nil, err
	}
	records, err := wait(c, procDisks, func(l *libvirt.Libvirt) ([]libvirt.DomainStatsRecord, error) {
		return l.ConnectGetAllDomainStats([]libvirt.Domain{handle}, uint32(libvirt.DomainStatsBlock),
			uint32(libvirt.ConnectGetAllDomainsStatsActive|libvirt.ConnectGetAllDomainsStatsNowait|libvirt.ConnectGetAllDomainsStatsBacking))
	})
	if err != nil {
		return nil, err
	}
	for i := range records {
		if d := &records[i].Dom; d.UUID != handle.UUID || d.ID != handle.ID {
			continue
		}
		list, err := parseBlocks(records[i].Params)
		for n := range list {
			list[n].Common = common[list[n].Target]
		}
		return list, err
	}
	return nil, errEnded
}
