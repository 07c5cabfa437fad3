package runtimes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxItem is how long one item of a list may be; labels are in it.
const maxItem = 1 << 20

var (
	errTooLong = errors.New("an item of the list is longer than 1 MiB")
	errTooMany = errors.New("the list has more than 65536 items")
)

// rationed reads no more for an item than one may be long, whatever is sent.
type rationed struct {
	from io.Reader
	left int
}

func (r *rationed) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, errTooLong
	}
	n, err := r.from.Read(b[:min(len(b), r.left)])
	r.left -= n
	return n, err
}

// eachItem decodes the items of a list one by one, so that no more than one of
// them is held. The list is the answer, or its field of that name.
func eachItem[T any](body io.Reader, field string, do func(*T)) error {
	r := &rationed{from: body, left: maxItem}
	d := json.NewDecoder(r)
	if err := descend(d, field); err != nil {
		return err
	}
	for n := 0; d.More(); n++ {
		if n == maxTold {
			return errTooMany
		}
		item := new(T)
		if err := d.Decode(item); err != nil {
			return fmt.Errorf("list: %w", err)
		}
		do(item)
		r.left = maxItem
	}
	// What comes after the list is of no use, but a list without an end is not whole.
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return nil
}

// descend goes to the first item.
func descend(d *json.Decoder, field string) error {
	if field != "" {
		if err := open(d, '{'); err != nil {
			return err
		}
		for {
			key, err := d.Token()
			if err != nil {
				return fmt.Errorf("list: %w", err)
			}
			if key == field {
				break
			}
			if _, ok := key.(string); !ok {
				return fmt.Errorf("list: no %s", field)
			}
			var other json.RawMessage
			if err := d.Decode(&other); err != nil {
				return fmt.Errorf("list: %w", err)
			}
		}
	}
	return open(d, '[')
}

func open(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if t != want {
		return fmt.Errorf("list: begins with %v", t)
	}
	return nil
}
