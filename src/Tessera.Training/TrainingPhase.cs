using Tessera.Training.Data;

namespace Tessera.Training;

/// <summary>
/// A stretch of a training with documents of its own, cut to a length of its own: a schedule of lengths is a list of these. Rate and
/// moments go on over all phases.
/// </summary>
/// <param name="Steps">Optimiser steps.</param>
/// <param name="MaxLength">Longest document in tokens; longer ones are cut.</param>
/// <param name="Documents">A source that no other phase reads; it begins with document 0.</param>
public sealed record TrainingPhase(int Steps, int MaxLength, IDocumentSource Documents);
