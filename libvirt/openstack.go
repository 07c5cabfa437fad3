package libvirt

import (
	"encoding/xml"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// definitionMax is how long a domain's XML may be to be looked at. Nova's notes
// are at its beginning, and a large machine's is some tens of kilobytes.
const definitionMax = 1 << 20

// novaSpace is the namespace of Nova's notes, less its version.
const novaSpace = "http://openstack.org/xmlns/libvirt/nova/"

// novaInstance is Nova's element in the metadata of a domain. Names count, and
// their namespace does not: each version of Nova's has its own.
type novaInstance struct {
	Name   string `xml:"name"`
	Flavor struct {
		Name string `xml:"name,attr"`
	} `xml:"flavor"`
	User    novaOwner `xml:"owner>user"`
	Project novaOwner `xml:"owner>project"`
	Root    novaImage `xml:"root"`
	Image   novaImage `xml:"image"`
}

type novaOwner struct {
	ID   string `xml:"uuid,attr"`
	Name string `xml:",chardata"`
}

type novaImage struct {
	Type string `xml:"type,attr"`
	ID   string `xml:"uuid,attr"`
}

// parseOpenStack takes Nova's notes from a domain's XML, nil if there are none.
// What comes after the metadata is not read.
func parseOpenStack(definition string) *workload.OpenStack {
	if len(definition) > definitionMax {
		return nil
	}
	d := xml.NewDecoder(strings.NewReader(definition))
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return nil
		}
		switch t := token.(type) {
		case xml.EndElement:
			if depth--; depth < 2 {
				return nil
			}
		case xml.StartElement:
			depth++
			switch {
			case depth == 1, depth == 2 && t.Name.Local == "metadata":
				continue
			case depth == 3 && t.Name.Local == "instance" && strings.HasPrefix(t.Name.Space, novaSpace):
				var n novaInstance
				if err := d.DecodeElement(&n, &t); err != nil {
					return nil
				}
				return n.openStack()
			}
			if err := d.Skip(); err != nil {
				return nil
			}
			depth--
		}
	}
}

func (n *novaInstance) openStack() *workload.OpenStack {
	o := &workload.OpenStack{
		Instance: n.Name, Flavor: n.Flavor.Name, Image: n.Image.ID,
		Project: n.Project.Name, ProjectID: n.Project.ID, User: n.User.Name, UserID: n.User.ID,
	}
	if o.Image == "" && n.Root.Type == "image" {
		o.Image = n.Root.ID
	}
	// Cut here, since it stays: none of this is longer than a label.
	for _, s := range []*string{&o.Instance, &o.Flavor, &o.Image, &o.Project, &o.ProjectID, &o.User, &o.UserID} {
		*s = strings.Clone(workload.Clean(strings.TrimSpace(*s)))
	}
	return o
}
