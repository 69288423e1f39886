namespace Tessera.Models.Configuration;

/// <summary>The dialect a configuration was read from; nothing but readers, writers and reports looks at it.</summary>
public enum ModelFamily
{
    /// <summary><c>LlamaForCausalLM</c>: every layer has the same attention and feed-forward.</summary>
    Llama = 0,

    /// <summary><c>DeciLMForCausalLM</c> (Nemotron-NAS): every layer has its own.</summary>
    DeciLm = 1,

    /// <summary><c>Qwen2ForCausalLM</c>: biases of queries, keys and values; windows from some layer on.</summary>
    Qwen2 = 2,

    /// <summary><c>Qwen3ForCausalLM</c>: norms of query and key heads; windows from some layer on.</summary>
    Qwen3 = 3,

    /// <summary><c>MistralForCausalLM</c>: one window for all layers.</summary>
    Mistral = 4,
}
