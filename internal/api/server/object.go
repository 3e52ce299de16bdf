package server

import (
	"bytes"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"
)

// Object is a field that holds a JSON object of the client's own, whatever is in it. It distinguishes "left out", null and an object;
// what an object may be is the verb's to check.
type Object struct{ written }

// written is a JSON value as it is written.
type written struct {
	Set bool
	Raw []byte // nil: null
}

// UnmarshalJSONFrom keeps the value.
func (o *written) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	o.Set, o.Raw = true, nil
	if v.Kind() != 'n' {
		o.Raw = bytes.Clone(v)
	}
	return nil
}

// Schema describes the field to the document: any object, or null.
func (Object) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Nullable: true, AdditionalProperties: true}
}
