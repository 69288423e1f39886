using System.Text.Json.Nodes;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;

namespace Tessera.Evaluation.Problems;

/// <summary>Puts problems to a model, as plain text or as a conversation.</summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="beginIds">Tokens in front of plain text; a conversation's template writes its own.</param>
/// <param name="format">The model's conversation format; null where it has none, which leaves plain text.</param>
public sealed class ProblemPrompts(Tokenizer tokenizer, IReadOnlyList<int> beginIds, ChatFormat? format)
{
    /// <summary>The messages of a problem: the switch as system text, the question as the user's turn.</summary>
    public static JsonObject[] Messages(Problem problem, ThinkingMode mode) =>
    [
        new JsonObject { ["role"] = "system", ["content"] = ThinkingSwitch.Text(mode == ThinkingMode.On) },
        User(problem),
    ];

    /// <summary>The perfect answer in a mode: reasoning between tags where it is on, the bare answer.</summary>
    public static JsonObject Reply(Problem problem, ThinkingMode mode) => new()
    {
        ["role"] = "assistant",
        ["content"] = mode == ThinkingMode.On
            ? ThinkingFormat.Open + problem.Reasoning + ThinkingFormat.Close + problem.Answer
            : problem.Answer,
    };

    /// <summary>Whether the model has a conversation format.</summary>
    public bool IsChat => format is not null;

    /// <summary>The mode that a switch asks for: plain text where the model has no conversation format.</summary>
    public PromptMode ModeOf(ThinkingMode thinking) =>
        format is null ? PromptMode.Plain : thinking == ThinkingMode.On ? PromptMode.On : PromptMode.Off;

    /// <summary>The tokens in front of the model's answer.</summary>
    /// <exception cref="InvalidDataException">A conversation is asked for and the model has no template.</exception>
    public int[] Encode(Problem problem, PromptMode mode)
    {
        if (mode == PromptMode.Plain)
        {
            return [.. beginIds, .. tokenizer.Encode(problem.Prompt, addSpecialTokens: false)];
        }

        var chat = format ?? throw new InvalidDataException(
            "the model has no chat template, so reasoning can be switched neither on nor off: use plain prompts");

        var (messages, variables) = ThinkingSwitch.Apply(
            chat.Template.Source, [User(problem)], null, mode == PromptMode.On);

        // The date is fixed: a run that goes on another day asks the same.
        string text = chat.Render(
            messages, new ChatRenderOptions { AddGenerationPrompt = true, Variables = variables, Now = DateTime.UnixEpoch });
        return tokenizer.Encode(text, addSpecialTokens: false);
    }

    private static JsonObject User(Problem problem) => new() { ["role"] = "user", ["content"] = problem.Question };
}
