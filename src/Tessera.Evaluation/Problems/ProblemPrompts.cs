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
    // More than any vocabulary needs for the tag and the line break behind it.
    private const int TagTokens = 16;

    /// <summary>
    /// A problem as a conversation, the question as the user's turn, with the switch set in the way that the template
    /// understands: as system text, or as a variable.
    /// </summary>
    public static (IReadOnlyList<JsonObject> Messages, JsonObject? Variables) Conversation(
        ChatTemplate template, Problem problem, ThinkingMode mode) => ThinkingSwitch.Apply(
        template.Source, [new JsonObject { ["role"] = "user", ["content"] = problem.Question }], null, mode == ThinkingMode.On);

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

        var (messages, variables) = Conversation(
            chat.Template, problem, mode == PromptMode.On ? ThinkingMode.On : ThinkingMode.Off);

        // The date is fixed: a run that goes on another day asks the same.
        string text = chat.Render(
            messages, new ChatRenderOptions { AddGenerationPrompt = true, Variables = variables, Now = DateTime.UnixEpoch });
        return tokenizer.Encode(text, addSpecialTokens: false, parseSpecial: true);
    }

    /// <summary>
    /// What a model wrote behind a prompt, with the opening tag in front where the prompt itself has opened the reasoning, as some
    /// templates do: the form that verdicts are given on.
    /// </summary>
    public string Completion(ReadOnlySpan<int> prompt, string written)
    {
        string end = tokenizer.Decode(prompt[^Math.Min(prompt.Length, TagTokens)..], skipSpecialTokens: false);
        return end.AsSpan().TrimEnd().EndsWith(ThinkingFormat.Open, StringComparison.Ordinal) ? ThinkingFormat.Open + written : written;
    }
}
