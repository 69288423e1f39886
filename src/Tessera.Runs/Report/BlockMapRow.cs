namespace Tessera.Runs.Report;

/// <summary>One layer of a <see cref="BlockMap"/>.</summary>
/// <param name="Layer">Number or name of the layer.</param>
/// <param name="Attention">Its attention or other mixer.</param>
/// <param name="FeedForward">Its feed-forward part.</param>
public sealed record BlockMapRow(string Layer, BlockCell Attention, BlockCell FeedForward);
