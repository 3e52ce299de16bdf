package config

import (
	"fmt"
	"reflect"
)

type (
	validator        interface{ Validate() error }
	releaseValidator interface{ ValidateRelease() error }
	releaseTeller    interface{ Release() bool }
	warner           interface{ Warnings() []string }
	releaseWarner    interface{ ReleaseWarnings() []string }
)

// Warnings collects what the Warnings() []string methods inside v say: settings that are accepted and do nothing; and in release mode what
// ReleaseWarnings() []string say: settings that are accepted and seldom right. v is a pointer to a struct that Load has filled.
func Warnings(v any) []string {
	var out []string
	release := isRelease(reflect.ValueOf(v))
	visit(reflect.ValueOf(v), "", func(key string, part any) {
		if w, ok := part.(releaseWarner); ok && release {
			for _, text := range w.ReleaseWarnings() {
				out = append(out, join(key, text))
			}
		}
		if w, ok := part.(warner); ok {
			for _, text := range w.Warnings() {
				out = append(out, join(key, text))
			}
		}
	})
	return out
}

func isRelease(v reflect.Value) (release bool) {
	visit(v, "", func(_ string, part any) {
		if t, ok := part.(releaseTeller); ok && t.Release() {
			release = true
		}
	})
	return release
}

func (l *loader) validate(v reflect.Value) {
	release := isRelease(v)
	visit(v, "", func(key string, part any) {
		if p, ok := part.(validator); ok {
			l.failAll(key, p.Validate())
		}
		if p, ok := part.(releaseValidator); ok && release {
			l.failAll(key, p.ValidateRelease())
		}
	})
}

// failAll puts the key before each error of a joined one. Only the outermost join is taken apart: below a wrap the
// text around the parts would be lost.
func (l *loader) failAll(key string, err error) {
	many, joined := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
	case joined:
		for _, e := range many.Unwrap() {
			l.failAll(key, e)
		}
	case key == "":
		l.errs = append(l.errs, err)
	default:
		l.errs = append(l.errs, fmt.Errorf("%s.%w", key, err))
	}
}

// visit calls fn with every struct below v, the outermost last, so that a whole may rely on its parts.
func visit(v reflect.Value, key string, fn func(key string, part any)) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || !v.CanAddr() {
		return
	}
	for i := range v.NumField() {
		if name := nameOf(v.Type().Field(i)); name != "" {
			visit(v.Field(i), join(key, name), fn)
		}
	}
	fn(key, v.Addr().Interface())
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}
