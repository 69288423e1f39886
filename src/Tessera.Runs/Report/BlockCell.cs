namespace Tessera.Runs.Report;

/// <summary>What became of one sub-block.</summary>
/// <param name="Parent">What it was, in a few characters: <c>8 KV</c>, <c>14336</c>.</param>
/// <param name="Child">What it is: <c>2 KV</c>, <c>linear</c>, <c>none</c>.</param>
/// <param name="Kept">Share of the parent's size that is left, from 0 to 1.</param>
public sealed record BlockCell(string Parent, string Child, double Kept);
