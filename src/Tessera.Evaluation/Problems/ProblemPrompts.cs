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
        new JsonObject { ["role"] = "system", ["content"] = ThinkingFormat.SystemText(mode) },
        new JsonObject { ["role"] = "user", ["content"] = problem.Question },
    ];

    /// <summary>The perfect answer in a mode: reasoning between tags where it is on, the bare answer.</summary>
    public static JsonObject Reply(Problem problem, ThinkingMode mode) => new()
    {
        ["role"] = "assistant",
        ["content"] = mode == ThinkingMode.On
            ? ThinkingFormat.Open + problem.Reasoning + ThinkingFormat.Close + problem.Answer
            : problem.Answer,
    };

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
        string text = chat.Render(
            Messages(problem, mode == PromptMode.On ? ThinkingMode.On : ThinkingMode.Off),
            new ChatRenderOptions { AddGenerationPrompt = true });
        return tokenizer.Encode(text, addSpecialTokens: false);
    }
}
