using System.Text.Json.Serialization;
using Tessera.Puzzle.Compression;
using Tessera.Puzzle.Costs;
using Tessera.Puzzle.Fusion;
using Tessera.Puzzle.Library;
using Tessera.Puzzle.Scoring;

namespace Tessera.Puzzle;

/// <summary>JSON forms of what a compression records.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(CostTable))]
[JsonSerializable(typeof(CostSet))]
[JsonSerializable(typeof(LibraryEntry[]))]
[JsonSerializable(typeof(PairEntry[]))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(Estimate))]
[JsonSerializable(typeof(CompressionResult))]
[JsonSerializable(typeof(SearchOutcome))]
[JsonSerializable(typeof(ScenarioTime[]))]
[JsonSerializable(typeof(ScenarioTime[][]))]
[JsonSerializable(typeof(int[]))]
[JsonSerializable(typeof(double))]
[JsonSerializable(typeof(DependencyMatrix))]
[JsonSerializable(typeof(FusionResult))]
[JsonSerializable(typeof(RealisedChoice))]
[JsonSerializable(typeof(RescoringRound))]
public sealed partial class PuzzleJson : JsonSerializerContext;
