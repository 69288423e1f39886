using Tessera.Models.Checkpoints;
using Tessera.Models.Templates;
using Tessera.Models.Tokenizers;

namespace Tessera.Inference.Chat;

/// <summary>What chatting with a model needs beside its weights: names, tokens, template, defaults.</summary>
/// <param name="Name">What clients call it.</param>
/// <param name="Tokenizer">Text to ids and back.</param>
/// <param name="Format">Conversations to text.</param>
/// <param name="StopIds">Tokens that end a reply.</param>
/// <param name="Defaults">How it wants to be sampled.</param>
public sealed record ChatModel(
    string Name, Tokenizer Tokenizer, ChatFormat Format, IReadOnlyList<int> StopIds, GenerationDefaults Defaults)
{
    /// <summary>Reads the companions of a model's weights.</summary>
    /// <param name="folder">A model in Hugging Face layout with a tokenizer and a chat template.</param>
    /// <param name="name">What clients call it; null for the folder's name.</param>
    /// <exception cref="InvalidDataException">A file is missing or cannot be used; the message names it.</exception>
    /// <exception cref="TemplateException">The template is malformed.</exception>
    public static ChatModel Read(string folder, string? name = null)
    {
        var configuration = ModelFolder.ReadConfiguration(folder);
        var tokenizer = ModelFolder.LoadTokenizer(folder)
            ?? throw new InvalidDataException($"{folder}: no tokenizer there, which chatting needs");
        if (tokenizer.VocabularySize > configuration.VocabularySize)
        {
            throw new InvalidDataException(
                $"{folder}: the tokenizer has {tokenizer.VocabularySize} ids, config.json only vocab_size {configuration.VocabularySize}");
        }

        var format = ChatFormat.Load(folder)
            ?? throw new InvalidDataException(
                $"{folder}: neither chat_template.jinja nor a chat_template in tokenizer_config.json there, which chatting needs");
        return new ChatModel(
            name ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))),
            tokenizer, format, StopTokens.Read(folder, configuration), GenerationDefaults.Read(folder));
    }
}
