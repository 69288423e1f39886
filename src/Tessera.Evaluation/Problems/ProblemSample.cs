using System.Text.Json.Serialization;
using Tessera.Tasks;

namespace Tessera.Evaluation.Problems;

/// <summary>How a problem is put to a model.</summary>
public enum PromptMode
{
    /// <summary>As plain text, <c>Q:…\nA:</c>: what base models were trained on.</summary>
    Plain,

    /// <summary>As a conversation with reasoning switched on.</summary>
    On,

    /// <summary>As a conversation with reasoning switched off.</summary>
    Off,
}

/// <summary>One attempt of a model at a problem.</summary>
/// <param name="Index">Number of the problem in its set.</param>
/// <param name="Mode">How it was put.</param>
/// <param name="Sample">Number of the attempt.</param>
/// <param name="Task">The problem's task.</param>
/// <param name="Level">The problem's level.</param>
/// <param name="Question">The problem.</param>
/// <param name="Expected">Its answer.</param>
/// <param name="Completion">What the model wrote, tags included, stop token excluded.</param>
/// <param name="Answer">The answer found in it, or null.</param>
/// <param name="IsCorrect">Whether the verifier accepts it and the attempt ended by itself.</param>
/// <param name="IsObeyed">Whether it has the form that the switch asks for; true for plain prompts.</param>
/// <param name="IsTruncated">Whether it ran into the limit of new tokens.</param>
/// <param name="Tokens">New tokens, the stop token included.</param>
public sealed record ProblemSample(
    int Index, PromptMode Mode, int Sample, string Task, int Level, string Question, string Expected, string Completion,
    string? Answer, bool IsCorrect, bool IsObeyed, bool IsTruncated, int Tokens);

/// <summary>Samples as JSON lines.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ProblemSample))]
[JsonSerializable(typeof(EvaluationResult))]
public sealed partial class EvaluationJson : JsonSerializerContext;
