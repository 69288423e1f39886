using Tessera.Puzzle.Targets;

namespace Tessera.Puzzle.Library;

/// <summary>Length and rate of a blockwise distillation.</summary>
/// <param name="Steps">Optimiser steps, one calibration batch each; with patience, the most.</param>
/// <param name="LearningRate">Peak; a cosine leads from there to a tenth.</param>
public sealed record BlockDistillationSettings(int Steps, double LearningRate)
{
    /// <summary>
    /// Passes over the calibration batches without a better loss after which a variant's training ends; 0 trains all steps. The best
    /// weights so far are kept. Losses decide and no clock, so that the result is the same wherever it is computed.
    /// </summary>
    public int Patience { get; init; }

    /// <summary>The layers whose variants are trained; those of others stay as they were made from the parent. Null for all layers.</summary>
    public LayerSet? Layers { get; init; }

    /// <summary>Whether the variants of a layer are trained.</summary>
    public bool Trains(int layer) => Steps > 0 && Layers?.Contains(layer) != false;

    /// <summary>What decides the result, for a stage's hash. Settings that came later count only where they are used.</summary>
    internal IEnumerable<(string Name, string Value)> Identity =>
    [
        ("steps", FormattableString.Invariant($"{Steps}")), ("rate", FormattableString.Invariant($"{LearningRate}")),
        .. Patience == 0 ? [] : ((string, string)[])[("patience", FormattableString.Invariant($"{Patience}"))],
        .. Layers is null ? [] : ((string, string)[])[("layers", Layers.Text)],
    ];
}
