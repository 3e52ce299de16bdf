// Package faultproxy is a TCP proxy between two processes under test: it pauses, delays, refuses and cuts what goes through it.
package faultproxy
