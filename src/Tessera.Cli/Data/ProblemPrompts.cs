using System.Text.Json.Nodes;
using Tessera.Alignment.Rewards;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;
using Tessera.Tasks;

namespace Tessera.Cli.Data;

/// <summary>How a model is asked a problem: through its chat template, or, where it has none, with the plain text of problems.</summary>
internal sealed class ProblemPrompts
{
    private readonly ChatFormat? _format;
    private readonly string _begin;

    private ProblemPrompts(ChatFormat? format, string begin) => (_format, _begin) = (format, begin);

    /// <summary>Whether the model has a chat template.</summary>
    public bool IsChat => _format is not null;

    /// <summary>Reads the template of a model's folder.</summary>
    /// <exception cref="InvalidDataException">The folder's files are broken.</exception>
    public static ProblemPrompts Open(ModelSource model, Tokenizer tokenizer) => new(
        ChatFormat.Load(model.Folder),
        string.Concat(model.BeginIds(tokenizer).Select(tokenizer.TokenText)));

    /// <summary>The modes that an option asks for.</summary>
    /// <param name="thinking">on, off or both; null for on with a template and off without.</param>
    /// <exception cref="ArgumentException">Reasoning is asked of a model without a template.</exception>
    public ThinkingMode[] Modes(string? thinking)
    {
        thinking ??= IsChat ? "on" : "off";
        if (!IsChat && thinking != "off")
        {
            throw new ArgumentException($"--thinking {thinking}: the model has no chat template to set the switch with; only off is possible");
        }

        return thinking switch
        {
            "on" => [ThinkingMode.On],
            "off" => [ThinkingMode.Off],
            _ => [ThinkingMode.On, ThinkingMode.Off],
        };
    }

    /// <summary>The prompt's text up to where the model begins to write, special tokens included.</summary>
    public string Render(Problem problem, ThinkingMode mode)
    {
        if (_format is null)
        {
            return _begin + problem.Prompt;
        }

        JsonObject[] messages =
        [
            new() { ["role"] = "system", ["content"] = ThinkingSwitch.SystemText(mode) },
            new() { ["role"] = "user", ["content"] = problem.Question },
        ];

        // The date is fixed: a run that is resumed on another day asks the same.
        return _format.Render(messages, new ChatRenderOptions { AddGenerationPrompt = true, Now = DateTime.UnixEpoch });
    }
}
