package main

type upCmd struct{}

func (c *upCmd) Run() error { return nil }
