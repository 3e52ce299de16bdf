// Package report renders what bench measured, for people: tables in Markdown that also read well in a terminal, and a plot as SVG.
//
// It measures nothing. Figures of several runs of a scenario are shown as their median and range.
package report
